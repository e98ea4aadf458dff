package deribittest_test

import (
	"fmt"
	"net/http"

	"github.com/holdfast-ws/holdfast/deribittest"
)

func Example() {
	s, err := deribittest.New(deribittest.Config{Reset: deribittest.ResetProfile{TokensRevoked: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := s.AddKey(deribittest.KeyConfig{Name: "trader", Scope: "account:read_write trade:read_write"})

	// A client under test would be given s.URL(), key.ClientID and key.Secret. Here it is net/http.
	url := fmt.Sprintf("%s/private/reset_api_key?id=%d", s.RESTURL(), key.ID)
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.SetBasicAuth(key.ClientID, key.Secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()

	now, _ := s.Key(key.ID)
	fmt.Println(resp.Status, "new secret:", now.Secret != key.Secret)
	fmt.Println("closed:", s.Close() == nil)
	// Output:
	// 200 OK new secret: true
	// closed: true
}

// A fault befalls the next request of its method. That it happened is counted, so that a test can tell a fault that was survived
// from one that never came.
func ExampleServer_Inject() {
	s, err := deribittest.New(deribittest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Inject(deribittest.Fault{Kind: deribittest.CutAtReply, Method: "private/buy"})

	// A client under test would send an order here, and never hear of it.

	fmt.Println("happened:", s.Stats().Faults[deribittest.CutAtReply])
	fmt.Println("closed:", s.Close() == nil)
	// Output:
	// happened: 0
	// closed: true
}
