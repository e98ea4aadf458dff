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
