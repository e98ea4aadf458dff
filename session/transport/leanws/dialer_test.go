package leanws_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

var subject = transporttest.Subject{Name: "lean", Dialer: leanws.Dialer{}, Strict: true}

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestConformance(t *testing.T) { transporttest.Run(t, subject) }

func TestBadInput(t *testing.T) { transporttest.BadInput(t, subject) }

// FuzzRead reads the same bytes with coderws, which may differ only in what it forgives.
func FuzzRead(f *testing.F) {
	transporttest.FuzzRead(f, subject, transporttest.Subject{Name: "coder", Dialer: coderws.Dialer{}})
}
