package deribittest

const version = "1.2.26" // the version of the published examples

type versionResult struct {
	Version string `json:"version"`
}

// test is public/test.
func (ex *exchange) test(r *request) (any, *rpcError) {
	p, fault := decodeParams[struct {
		Expected string `json:"expected_result"`
	}](r.params)
	if fault != nil {
		return nil, fault
	}
	switch p.Expected {
	case "":
		return versionResult{version}, nil
	case "exception":
		return nil, newError(codeError, "error")
	}
	return nil, invalidParam("expected_result", "invalid value")
}

func (ex *exchange) hello(*request) (any, *rpcError) { return versionResult{version}, nil }

func (ex *exchange) getTime(r *request) (any, *rpcError) { return r.now.UnixMilli(), nil }

// status is public/status. Locked is a string in the schema and a boolean in the published example.
func (ex *exchange) status(*request) (any, *rpcError) {
	return struct {
		Locked  string   `json:"locked"`
		Indices []string `json:"locked_indices"`
	}{"false", []string{}}, nil
}
