package nhooyrws_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

func BenchmarkRead(b *testing.B) { transporttest.BenchmarkRead(b, nhooyrws.Dialer{}) }

func BenchmarkRoundTrip(b *testing.B) { transporttest.BenchmarkRoundTrip(b, nhooyrws.Dialer{}) }

func BenchmarkBatch64(b *testing.B) { transporttest.BenchmarkBatch(b, nhooyrws.Dialer{}, 64) }
