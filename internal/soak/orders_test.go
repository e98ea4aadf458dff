package main_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	main "github.com/holdfast-ws/holdfast/internal/soak"
)

func fewOrders() main.Orders {
	return main.Orders{Turns: 2, For: 100 * time.Millisecond, Rate: 500, Sessions: 2, Stagger: 5 * time.Millisecond}
}

func TestOrdersAreExecutedOnce(t *testing.T) {
	for _, reset := range []deribittest.ResetProfile{
		{}, {TokensRevoked: true}, {TokensRevoked: true, Connections: deribittest.ConnectionsClosedAfterReply},
	} {
		t.Run(reset.String(), func(t *testing.T) {
			m := fewOrders()
			m.Reset = reset
			keeps(t, m, "added p99", "added p99.9", "added max")
		})
	}
}

func TestOrdersFindFaults(t *testing.T) {
	for what, fault := range map[string]func(string) string{
		"added p99": func(label string) string { // late, and the next one later
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			<-ctx.Done()
			return label
		},
		"failed orders":         func(string) string { return strings.Repeat("long", 100) },
		"orders executed twice": func(string) string { return "the same" },
	} {
		t.Run(what, func(t *testing.T) {
			m := fewOrders()
			m.Fault = fault
			breaks(t, m, what)
		})
	}
}
