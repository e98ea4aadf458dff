package wirepeer

// ScanRequest is how a request's id and method are found.
var ScanRequest = scanRequest

// Frame takes a frame from the start of b.
func Frame(b []byte) (payload []byte, size int, whole bool, err error) {
	f, size, whole, err := parseFrame(b)
	return f.payload, size, whole, err
}

// AppendHeader is how the header of an answer's frame is written.
var AppendHeader = appendHeader

// Client is the server's side of a connection.
type Client struct{ c *client }

// NewClient returns a Client that answers with the result of an order.
func NewClient() Client { return Client{newClient(nil, orderResult())} }

// Answer serves a request and returns the frames that are to be written.
func (c Client) Answer(request []byte) ([]byte, error) {
	c.c.out = c.c.out[:0]
	err := c.c.serveRequest(request)
	return c.c.out, err
}
