// Package crashtest kills processes that rotate a key, at every point at which it may matter, and has others recover. It is tests alone.
package crashtest
