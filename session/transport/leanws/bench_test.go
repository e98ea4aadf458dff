package leanws_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

func BenchmarkRead(b *testing.B) { transporttest.BenchmarkRead(b, leanws.Dialer{}) }

func BenchmarkRoundTrip(b *testing.B) { transporttest.BenchmarkRoundTrip(b, leanws.Dialer{}) }

func BenchmarkBatch64(b *testing.B) { transporttest.BenchmarkBatch(b, leanws.Dialer{}, 64) }
