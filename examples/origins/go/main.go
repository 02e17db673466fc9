// A service behind edgeward, with net/http: who is asking it knows from the assertion alone.
//
// Settings are environment variables: EDGEWARD_JWKS, the URL of the gate's keys; EDGEWARD_AUDIENCE,
// the audience of this service's assertions; PORT, 8789 if it is not set.
package main

import (
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	verifier := NewVerifier(setting("EDGEWARD_JWKS"), setting("EDGEWARD_AUDIENCE"))
	port := os.Getenv("PORT")
	if port == "" {
		port = "8789"
	}
	// Loopback: only what runs on this machine, such as a tunnel, can connect.
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s", listener.Addr())
	server := http.Server{Handler: routes(verifier), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

func setting(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("%s is not set", name)
	}
	return value
}

// What is not named as public is behind the verifier, so that a new route is, too.
func routes(verifier *Verifier) http.Handler {
	private := http.NewServeMux()
	private.Handle("/me", only(http.MethodGet, me))
	private.Handle("/notes", RequireScope("write", only(http.MethodPost, saveNote)))
	private.Handle("/payments", only(http.MethodPost, pay))

	all := http.NewServeMux()
	all.Handle("/public", only(http.MethodGet, hello))
	all.Handle("/", verifier.Require(private))
	return all
}

// From Go 1.22 on, patterns such as "POST /payments" do this.
func only(method string, handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			deny(w, http.StatusMethodNotAllowed, "method_not_allowed")
			return
		}
		handler(w, r)
	})
}

func hello(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"hello": "anyone"})
}

func me(w http.ResponseWriter, r *http.Request) {
	who := IdentityOf(r)
	reply(w, http.StatusOK, map[string]any{
		"issuer":   who.Issuer,
		"subject":  who.Subject,
		"scopes":   who.Scopes,
		"degraded": who.Degraded,
	})
}

func saveNote(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, map[string]any{"saved_for": IdentityOf(r).Subject})
}

func pay(w http.ResponseWriter, r *http.Request) {
	who := IdentityOf(r)
	// The gate could not ask whether this client has been locked out meanwhile.
	if who.Degraded {
		w.Header().Set("Retry-After", "10")
		deny(w, http.StatusServiceUnavailable, "degraded")
		return
	}
	reply(w, http.StatusOK, map[string]any{"paid_by": who.Subject})
}

func deny(w http.ResponseWriter, status int, code string) {
	reply(w, status, map[string]any{"error": code})
}

func reply(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("answer not sent: %v", err)
	}
}
