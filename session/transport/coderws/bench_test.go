package coderws_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
)

func BenchmarkRead(b *testing.B) { transporttest.BenchmarkRead(b, coderws.Dialer{}) }

func BenchmarkRoundTrip(b *testing.B) { transporttest.BenchmarkRoundTrip(b, coderws.Dialer{}) }

func BenchmarkBatch64(b *testing.B) { transporttest.BenchmarkBatch(b, coderws.Dialer{}, 64) }
