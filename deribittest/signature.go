package deribittest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

func checkSignatureParams(p authParams) *rpcError {
	fault := required(map[string]string{
		"client_id": p.ClientID, "signature": p.Signature, "timestamp": string(p.Timestamp),
	})
	if fault == nil && p.Nonce != "" && !validNonce(p.Nonce) {
		fault = invalidParam("nonce", "invalid format")
	}
	return fault
}

// validNonce is wider than the examples, which have eight characters of [a-z0-9]: UUIDs and decimals are in use. The
// format is not documented.
func validNonce(nonce string) bool {
	for _, c := range []byte(nonce) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return len(nonce) <= 64
}

// signature is a signed text with what keeps it from being used again: without a nonce, which is optional, nothing does.
type signature struct {
	timestamp, nonce, signed, value string
}

// verify reports whether a signature is the key's, fresh, and used for the first time. That a stale timestamp and a nonce
// used before look like a wrong secret is not documented.
func (k *key) verify(s signature, now time.Time) bool {
	ms, err := strconv.ParseInt(s.timestamp, 10, 64)
	if err != nil || now.Sub(time.UnixMilli(ms)).Abs() > signatureWindow {
		return false
	}
	if !k.signed(s.signed, s.value) {
		return false
	}
	for nonce, at := range k.nonces {
		if now.Sub(at) > 2*signatureWindow {
			delete(k.nonces, nonce)
		}
	}
	if s.nonce == "" {
		return true
	}
	if _, used := k.nonces[s.nonce]; used {
		return false
	}
	k.nonces[s.nonce] = now
	return true
}

func (k *key) signed(text, value string) bool {
	if k.public != nil {
		return k.public.signed(text, value)
	}
	mac := hmac.New(sha256.New, []byte(k.secret))
	mac.Write([]byte(text))
	return hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(value))
}
