package coderws_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestConformance(t *testing.T) { transporttest.Run(t, coderws.Dialer{}) }

func TestBadInput(t *testing.T) { transporttest.BadInput(t, coderws.Dialer{}) }

func FuzzRead(f *testing.F) { transporttest.FuzzRead(f, coderws.Dialer{}) }
