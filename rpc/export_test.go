package rpc

// Envelope is what the scanner finds in a frame.
type Envelope struct {
	Method, Params, Result []byte
	ID                     uint64
	HasID                  bool
	Failed                 bool
	Code                   int64
	Message                string
	Data                   []byte
	UsIn, UsOut, UsDiff    int64
}

// ParseEnvelope parses a frame.
func ParseEnvelope(text []byte, maxDepth int) (Envelope, error) {
	var e envelope
	if err := e.parse(text, maxDepth); err != nil {
		return Envelope{}, err
	}
	out := Envelope{
		Method: e.method, Params: e.params, Result: e.result, ID: e.id, HasID: e.hasID,
		UsIn: e.usIn, UsOut: e.usOut, UsDiff: e.usDiff,
	}
	if f := e.failure; f != nil {
		out.Failed, out.Code, out.Message, out.Data = true, f.code, f.message, f.data
	}
	return out, nil
}

// Bounds of a Conn's tables.
const (
	MaxTombstones = maxTombstones
	MaxRecent     = maxRecent
	MaxRounds     = maxRounds
	IDBlock       = idBlock
)

// IDs hands out ids as a Conn does.
type IDs struct{ ids }

// Take returns the next id.
func (s *IDs) Take() uint64 { return s.take() }
