package deribittest

// account is what the keys of one account share.
type account struct {
	id         int64
	cod        bool // cancel on disconnect for every connection
	log        []logEntry
	totp       []byte             // the shared secret of the second factor
	usedSteps  map[int64]struct{} // time steps whose code was used
	challenges map[string]challenge
	pools      pools
}

// account returns an account, made at its first use.
func (ex *exchange) account(id int64) *account {
	a := ex.accounts[id]
	if a == nil {
		a = &account{
			id: id, totp: []byte(ex.random(20)),
			usedSteps: make(map[int64]struct{}), challenges: make(map[string]challenge),
			pools: make(pools),
		}
		ex.accounts[id] = a
	}
	return a
}

// userLock is an entry of private/get_user_locks. The schema names the flag enabled, the published example locked.
type userLock struct {
	Currency string `json:"currency"`
	Enabled  bool   `json:"enabled"`
	Locked   bool   `json:"locked"`
}

func (ex *exchange) getUserLocks(*request) (any, *rpcError) {
	return []userLock{
		{Currency: "BTC"}, {Currency: "ETH"}, {Currency: "USDC"}, {Currency: "USDT"}, {Currency: "EURR"},
	}, nil
}
