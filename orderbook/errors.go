package orderbook

import (
	"errors"
	"fmt"
)

// Sentinel errors; compare with errors.Is. After each of them the book is [Stale] until the next complete message.
var (
	// ErrStale is a change for a book that has nothing to apply it to.
	ErrStale = errors.New("orderbook: stale: a snapshot is needed")
	// ErrMessage is what is no message of a book; the error says why.
	ErrMessage = errors.New("orderbook: message")
)

// ChainError is a change that does not follow the last message: some are missing. The book is [Stale] until the next
// complete message.
type ChainError struct {
	Last     int64 // change id of the last message
	Previous int64 // what the change names as the message before it
	ChangeID int64
}

// Error names the ids.
func (e *ChainError) Error() string {
	return fmt.Sprintf("orderbook: chain: change %d follows %d, but the last was %d", e.ChangeID, e.Previous, e.Last)
}

// CrossedError is a book whose best bid is not below its best ask, which no book of an exchange is. The book is [Stale]
// until the next complete message.
type CrossedError struct {
	Bid, Ask Level
	ChangeID int64
}

// Error names the prices.
func (e *CrossedError) Error() string {
	return fmt.Sprintf("orderbook: crossed: bid %v is not below ask %v after change %d", e.Bid.Price, e.Ask.Price, e.ChangeID)
}
