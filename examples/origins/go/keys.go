package main

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// After this, a key that the gate no longer publishes no longer counts.
	keysLive = 5 * time.Minute
	// A kid that is not in the set has it fetched again, but not sooner than this after the last time:
	// anybody can invent one.
	cooldown = 30 * time.Second
	// After an attempt that failed.
	retryAfter = time.Second
	// A set of one or two keys has some hundred bytes.
	longestSet = 64 << 10
)

// errNoKeys: nobody can tell whether an assertion is good.
var errNoKeys = errors.New("the gate's keys cannot be had")

// keySet is what the gate publishes, fetched when the first request needs it.
type keySet struct {
	url    string
	client http.Client

	// Held during a fetch, so that there is one at a time.
	mutex         sync.Mutex
	keys          map[string]ed25519.PublicKey
	fetched       time.Time
	noFetchBefore time.Time
}

func newKeySet(url string) *keySet {
	return &keySet{url: url, client: http.Client{
		Timeout: 5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

func (set *keySet) find(kid string) (ed25519.PublicKey, error) {
	set.mutex.Lock()
	defer set.mutex.Unlock()
	fresh := set.keys != nil && time.Since(set.fetched) < keysLive
	if key, known := set.keys[kid]; known && fresh {
		return key, nil
	}
	if time.Now().After(set.noFetchBefore) {
		if err := set.fetch(); err != nil {
			set.noFetchBefore = time.Now().Add(retryAfter)
			return nil, fmt.Errorf("%w: %v", errNoKeys, err)
		}
		fresh = true
	}
	if !fresh {
		return nil, errNoKeys
	}
	if key, known := set.keys[kid]; known {
		return key, nil
	}
	return nil, errors.New("the gate has no such key")
}

// Not in the name of the request that needs it: others wait for it, too.
func (set *keySet) fetch() error {
	response, err := set.client.Get(set.url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	var published struct {
		Keys []struct {
			Type  string `json:"kty"`
			Curve string `json:"crv"`
			ID    string `json:"kid"`
			X     string `json:"x"`
		} `json:"keys"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, longestSet)).Decode(&published); err != nil {
		return err
	}
	keys := make(map[string]ed25519.PublicKey)
	for _, key := range published.Keys {
		x, err := base64url.DecodeString(key.X)
		if key.Type == "OKP" && key.Curve == "Ed25519" && err == nil && len(x) == ed25519.PublicKeySize {
			keys[key.ID] = x
		}
	}
	if len(keys) == 0 {
		return errors.New("no Ed25519 key in it")
	}
	now := time.Now()
	set.keys, set.fetched, set.noFetchBefore = keys, now, now.Add(cooldown)
	return nil
}
