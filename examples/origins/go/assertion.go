package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"
)

const (
	issuer = "edgeward"
	// clock_skew_seconds of the gate.
	leeway = 30 * time.Second
)

// Identity is who is asking, as the gate has signed it.
type Identity struct {
	// Issuer of the original token. A subject is unique within it only.
	Issuer  string
	Subject string
	Scopes  []string
	// Degraded: the gate could not check everything that it usually does.
	Degraded bool
}

// Has says whether a scope was granted.
func (who Identity) Has(scope string) bool {
	for _, granted := range who.Scopes {
		if granted == scope {
			return true
		}
	}
	return false
}

// Verifier lets only requests through that bring a good assertion.
type Verifier struct {
	keys     *keySet
	audience string
}

// NewVerifier is for assertions with this audience and the keys at this URL.
func NewVerifier(jwks, audience string) *Verifier {
	return &Verifier{newKeySet(jwks), audience}
}

type contextKey struct{}

// Require answers 401 where there is no good assertion, and 503 where nobody can tell.
func (v *Verifier) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The same URL has another answer for somebody else.
		w.Header().Set("Cache-Control", "no-store")
		who, err := v.identity(r.Header.Values("X-Auth-Assertion"))
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, who)))
		case errors.Is(err, errNoKeys):
			log.Print(err)
			w.Header().Set("Retry-After", "5")
			deny(w, http.StatusServiceUnavailable, "keys_unavailable")
		default:
			// Why, but never the assertion: whoever reads it can use it until it ends.
			log.Printf("refused: %v", err)
			w.Header().Set("WWW-Authenticate", "Bearer")
			deny(w, http.StatusUnauthorized, "unauthenticated")
		}
	})
}

// RequireScope answers 403 without this scope. It belongs behind Require.
func RequireScope(scope string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IdentityOf(r).Has(scope) {
			deny(w, http.StatusForbidden, "insufficient_scope")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// IdentityOf is who sent a request that came through Require. It panics for any other.
func IdentityOf(r *http.Request) Identity {
	return r.Context().Value(contextKey{}).(Identity)
}

func (v *Verifier) identity(assertions []string) (Identity, error) {
	if len(assertions) != 1 {
		return Identity{}, fmt.Errorf("%d assertions", len(assertions))
	}
	claims, err := v.verify(assertions[0])
	if err != nil {
		return Identity{}, err
	}
	return Identity{
		Issuer:   claims.OriginalIssuer,
		Subject:  claims.Subject,
		Scopes:   strings.Fields(claims.Scope),
		Degraded: claims.Degraded,
	}, nil
}

type claims struct {
	Issuer         string `json:"iss"`
	Audience       string `json:"aud"`
	Expires        int64  `json:"exp"`
	OriginalIssuer string `json:"oiss"`
	Subject        string `json:"sub"`
	Scope          string `json:"scope"`
	Degraded       bool   `json:"degraded"`
}

// The JWS in compact form is header.claims.signature, each in base64url (RFC 7515, section 7.1). The claims
// are not looked at before the signature is known to be right.
func (v *Verifier) verify(assertion string) (*claims, error) {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a signed token")
	}
	var header struct {
		Algorithm string          `json:"alg"`
		KeyID     string          `json:"kid"`
		Critical  json.RawMessage `json:"crit"`
	}
	if err := decode(parts[0], &header); err != nil {
		return nil, err
	}
	// The only algorithm there is. It is compared, never used to choose one.
	if header.Algorithm != "EdDSA" {
		return nil, errors.New("not signed with EdDSA")
	}
	// Extensions that have to be understood (RFC 7515, section 4.1.11); none is here.
	if header.Critical != nil {
		return nil, errors.New("has a critical extension")
	}
	key, err := v.keys.find(header.KeyID)
	if err != nil {
		return nil, err
	}
	signature, err := base64url.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	if !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) {
		return nil, errors.New("the signature is wrong")
	}

	var found claims
	if err := decode(parts[1], &found); err != nil {
		return nil, err
	}
	switch {
	case found.Issuer != issuer:
		return nil, errors.New("not of edgeward")
	case found.Audience != v.audience:
		return nil, errors.New("for another audience")
	case time.Now().Add(-leeway).After(time.Unix(found.Expires, 0)):
		return nil, errors.New("has ended")
	case found.Subject == "" || found.OriginalIssuer == "":
		return nil, errors.New("says about nobody")
	}
	return &found, nil
}

// Strict: the bits that the last character has too many must be zero, so that there is one spelling.
var base64url = base64.RawURLEncoding.Strict()

func decode(part string, into any) error {
	text, err := base64url.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
