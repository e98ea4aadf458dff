package deribittest

// maxLog is how many entries of the access log are kept.
const maxLog = 2_000

// logEntry is one event of the access log, as private/get_access_log and user.access_log give it.
type logEntry struct {
	ID        int64  `json:"id"`
	Timestamp int64  `json:"timestamp"`
	IP        string `json:"ip"`
	Country   string `json:"country"`
	City      string `json:"city"`
	Log       string `json:"log"`
	Data      any    `json:"data,omitempty"`
}

// logAccess records an event of an account and tells its subscribers.
func (ex *exchange) logAccess(id int64, event string, data any, r *request) {
	ex.lastLog++
	e := logEntry{
		ID: ex.lastLog, Timestamp: r.now.UnixMilli(), IP: r.ip, Country: "Local Country", City: "Local Town",
		Log: event, Data: data,
	}
	a := ex.account(id)
	a.log = append(a.log, e)
	if len(a.log) > maxLog {
		a.log = append([]logEntry(nil), a.log[maxLog/2:]...)
	}
	ex.publish(subKey{id, "user.access_log"}, encode(e))
}

const (
	defaultLogCount = 10
	maxLogCount     = 1000
)

// getAccessLog is private/get_access_log: the newest entries first. The result follows the schema, a list; the published
// example wraps it.
func (ex *exchange) getAccessLog(r *request) (any, *rpcError) {
	p, fault := decodeParams[struct {
		Offset int  `json:"offset"`
		Count  *int `json:"count"`
	}](r.params)
	if fault != nil {
		return nil, fault
	}
	count := defaultLogCount
	if p.Count != nil {
		count = *p.Count
	}
	if count < 1 || count > maxLogCount {
		return nil, invalidParam("count", "out of range")
	}
	if p.Offset < 0 {
		return nil, invalidParam("offset", "out of range")
	}
	log := ex.account(r.grant.key.account).log
	out := []logEntry{}
	for i := len(log) - 1 - p.Offset; i >= 0 && len(out) < count; i-- {
		out = append(out, log[i])
	}
	return out, nil
}
