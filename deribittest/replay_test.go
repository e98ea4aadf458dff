package deribittest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// written returns a recording as a text.
func written(t *testing.T, r *deribittest.Recorder) string {
	t.Helper()
	var text bytes.Buffer
	if n, err := r.WriteTo(&text); err != nil || n != int64(text.Len()) {
		t.Fatalf("wrote %d bytes, %v", n, err)
	}
	return text.String()
}

// replayed serves a recording in memory, to be dialled as a server is.
func replayed(t *testing.T, recording string) (*deribittest.Replay, func() *client) {
	t.Helper()
	l := deribittest.NewMemoryListener()
	r, err := deribittest.NewReplay(strings.NewReader(recording), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, func() *client {
		ws, resp, err := websocket.Dial(t.Context(), r.URL(), &websocket.DialOptions{HTTPClient: memoryHTTP(l)})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body != nil {
			resp.Body.Close()
		}
		ws.SetReadLimit(-1)
		t.Cleanup(func() { ws.CloseNow() })
		return &client{t: t, ws: ws, patience: time.Hour}
	}
}

// No secret that the server gave or got is in a recording, whatever it was about; the rest is as it was sent.
func TestRecorderKeepsNoSecret(t *testing.T) {
	t.Parallel()
	var recorder deribittest.Recorder
	frames := make(chan []byte, 1000)
	s := newServer(t, deribittest.Config{Tick: -1, OnFrame: func(f deribittest.Frame) {
		recorder.Record(f)
		frames <- f.Data
	}})
	k := s.AddKey(deribittest.KeyConfig{Name: "recorded"})
	gated := s.AddKey(deribittest.KeyConfig{SecondFactor: true})
	c := dial(t, s)
	c.call("public/get_instruments", instruments)
	c.call("public/auth", signed(k, time.Now(), "1iqt2wls"))
	token := c.login(k, "session:a")
	c.call("public/auth", params{"grant_type": "refresh_token", "refresh_token": token.RefreshToken})
	c.call("private/get_positions", params{"access_token": token.AccessToken})
	c.call("private/create_api_key", params{"max_scope": "account:read"})
	c.call("private/list_api_keys", nil)
	c.call("private/reset_api_key", params{"id": k.ID})
	asked := c.call("private/reset_api_key", params{"id": gated.ID})
	c.call("private/reset_api_key", params{"id": gated.ID, "authorization_data": s.SecondFactorCode(gated.ID), "challenge": asked.Result})
	c.send(`{"client_secret":"` + k.Secret)
	c.must()
	send(t, request(t, http.MethodGet, s.RESTURL()+"/public/auth?grant_type=client_credentials&client_id="+k.ClientID+"&client_secret="+k.Secret, ""))

	text := written(t, &recorder)
	for _, secret := range s.Secrets() {
		if len(secret) > 6 && strings.Contains(text, secret) {
			t.Errorf("the recording has %s", secret)
		}
	}
	if regexp.MustCompile(`"(authorization_data|challenge)":"[^R]`).MatchString(text) {
		t.Error("the recording has a second factor")
	}
	for _, kept := range []string{k.ClientID, `"token_type":"bearer"`, `"method":"private/list_api_keys"`, `"access_token":"REDACTED"`} {
		if !strings.Contains(text, kept) {
			t.Errorf("the recording lacks %s", kept)
		}
	}
	for range 2 { // the request for instruments, and its answer
		if frame := <-frames; !strings.Contains(text, `"frame":`+string(frame)+"}\n") {
			t.Errorf("the recording lacks %s", frame)
		}
	}
}

// record has an exchange of its own, with a client that does as play says, and returns the recording.
func record(t *testing.T, play func(*deribittest.Server, func() *client)) string {
	t.Helper()
	var recorder deribittest.Recorder
	s, l := memoryServer(t, deribittest.Config{OnFrame: recorder.Record})
	play(s, func() *client { return dialMemory(t, s, l) })
	synctest.Wait()
	return written(t, &recorder)
}

// A client gets what another one got, to its own ids and with the pauses of then.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		play := func(c *client, tick, login func()) (got []string, took time.Duration) {
			start := time.Now()
			note := func(a answer) {
				got = append(got, time.Since(start).String()+" "+a.Method+a.Params.Channel+string(a.Result)+string(a.Params.Data))
			}
			login()
			note(c.call("public/subscribe", params{"channels": []string{raw}}))
			note(c.notification(raw))
			for range 5 {
				tick()
				note(c.notification(raw))
			}
			c.call("public/set_heartbeat", params{"interval": 10})
			c.notificationOfKind("test_request")
			note(c.call("public/get_time", nil))
			note(c.call("public/test", nil))
			return got, time.Since(start)
		}
		var want []string
		var took time.Duration
		var key deribittest.Key
		text := record(t, func(s *deribittest.Server, dial func() *client) {
			key = s.AddKey(deribittest.KeyConfig{})
			c := dial()
			want, took = play(c, func() {
				pass(time.Second)
				s.Tick()
			}, func() { c.login(key, "") })
		})
		r, dial := replayed(t, text)
		c := dial()
		c.next = 70 // other ids
		got, again := play(c, func() {}, func() {
			if token := c.login(key, ""); token.AccessToken != "REDACTED" || token.TokenType != "bearer" {
				t.Errorf("logged in with %+v", token)
			}
		})
		if !slices.Equal(got, want) || again != took {
			t.Errorf("in %v got\n%s\nin %v was\n%s", again, strings.Join(got, "\n"), took, strings.Join(want, "\n"))
		}
		if synctest.Wait(); r.Err() != nil {
			t.Error(r.Err())
		}
	})
}

// Requests are known by their methods, in whatever order they come; what is not in the recording is told.
func TestReplayParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := record(t, func(_ *deribittest.Server, dial func() *client) {
			c := dial()
			for _, method := range []string{"public/get_time", "public/status", "public/get_time"} {
				c.call(method, nil)
			}
			other := dial()
			other.call("public/test", nil)
			c.call("public/test", nil) // so that the first is not over when the second begins
		})
		r, dial := replayed(t, text)
		c := dial()
		var ids []string
		for _, method := range []string{"public/get_currencies", "public/get_time", "public/get_time", "public/status"} {
			ids = append(ids, c.start(method, nil))
		}
		for _, want := range []string{ids[1], ids[3], ids[2]} {
			if a := c.must(); string(a.ID) != want || a.Error != nil {
				t.Errorf("answered %+v, want %s", a, want)
			}
		}
		synctest.Wait()
		errs := strings.Split(r.Err().Error(), "\n")
		want := []string{
			`deribittest: replay: connection 1: frame 7 of 8, "public/test", was not asked for`,
			`deribittest: replay: connection 1: "public/get_currencies" was asked for 1 times more than recorded`,
			`deribittest: replay: connection 2: nobody came`,
		}
		if !slices.Equal(errs, want) {
			t.Errorf("parted by\n%s", strings.Join(errs, "\n"))
		}
	})
}

// A connection that was followed by another one is cut at its end; the last stays open, and there are no more.
func TestReplayOfConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := record(t, func(s *deribittest.Server, dial func() *client) {
			for _, method := range []string{"public/get_time", "public/status"} {
				dial().call(method, nil)
				s.CutConnections()
			}
		})
		r, dial := replayed(t, text)
		first := dial()
		first.call("public/get_time", nil)
		if code := first.closed(); code != -1 {
			t.Errorf("close code %d, want a cut", code)
		}
		second := dial()
		second.call("public/status", nil)
		second.patience = time.Hour
		if _, err := second.read(); err == nil || websocket.CloseStatus(err) != -1 {
			t.Errorf("the last one: %v, want silence", err)
		}
		if synctest.Wait(); r.Err() != nil {
			t.Error(r.Err())
		}
	})
}

func TestReplayRefusesWhatIsNoRecording(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{}":                                    "line 1",
		`{"conn":1,"in":true}` + "\nx\n":        "line 2",
		`{"us":1,"conn":1,"method":"public"}`:   "line 1",
		`{"us":"1","conn":1,"frame":{}}` + "\n": "line 1",
	} {
		if _, err := deribittest.NewReplay(strings.NewReader(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	r, err := deribittest.NewReplay(strings.NewReader(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, resp, err := websocket.Dial(t.Context(), r.URL(), nil); err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a connection that was not recorded: %v", err)
	}
	if r.Err() == nil {
		t.Error("nobody was told")
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A session lives through a recording of another one: a book, its gap when the connection broke, and the book anew.
func TestReplayToASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := func(url string, l *deribittest.MemoryListener, k deribittest.Key, breaks func()) (got []string) {
			s, err := session.Dial(t.Context(), session.Config{
				URL: url, NetDial: l.DialContext,
				Credentials: session.Credentials{ClientID: k.ClientID, Secret: session.NewSecret([]byte(k.Secret))},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close(t.Context())
			sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, raw)
			if err != nil {
				t.Fatal(err)
			}
			for n, err := range sub.Notifications(t.Context()) {
				switch {
				case err != nil:
					got = append(got, "gap")
				default:
					got = append(got, string(n.Data))
				}
				if len(got) == 1 {
					// The recording's connection is cut behind this answer: behind that to Subscribe it would be news to nobody.
					if err := s.Call(t.Context(), "public/get_currencies", nil, nil); err != nil {
						t.Error(err)
					}
					breaks()
				}
				if len(got) == 3 {
					break
				}
			}
			return got
		}
		var recorder deribittest.Recorder
		s, l := memoryServer(t, deribittest.Config{OnFrame: recorder.Record})
		k := s.AddKey(deribittest.KeyConfig{})
		want := live(s.URL(), l, k, s.CutConnections)
		replayListener := deribittest.NewMemoryListener()
		r, err := deribittest.NewReplay(strings.NewReader(written(t, &recorder)), replayListener)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got := live(r.URL(), replayListener, k, func() {})
		if len(want) != 3 || want[1] != "gap" || !slices.Equal(got, want) || !json.Valid([]byte(want[0])) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}
