package nhooyrws_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestConformance(t *testing.T) { transporttest.Run(t, nhooyrws.Dialer{}) }

func TestBadInput(t *testing.T) { transporttest.BadInput(t, nhooyrws.Dialer{}) }

func FuzzRead(f *testing.F) { transporttest.FuzzRead(f, nhooyrws.Dialer{}) }
