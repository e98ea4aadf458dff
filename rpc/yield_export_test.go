package rpc

import "context"

// CallYields makes a call, and tells whether it let others share its write.
func CallYields(ctx context.Context, c *Conn, method string) (bool, error) {
	cl := c.newCall(ctx, method)
	err := c.submit(ctx, cl, nil)
	yields := cl.yields
	if err == nil {
		err = c.await(ctx, cl)
	}
	return yields, c.finish(cl, err)
}
