package nhooyrws_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

var subject = transporttest.Subject{Name: "nhooyr", Dialer: nhooyrws.Dialer{}}

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestConformance(t *testing.T) { transporttest.Run(t, subject) }

func TestBadInput(t *testing.T) { transporttest.BadInput(t, subject) }

func FuzzRead(f *testing.F) { transporttest.FuzzRead(f, subject) }
