// An API that requires a valid access token of Latchkey.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// Tokens that name unknown keys cause at most one request to Latchkey in this time.
const fetchEvery = 5 * time.Second

var latchkey = setting("LATCHKEY", "http://localhost:3000")

type keySet struct {
	sync.Mutex
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time
}

// find returns the key that a token names. Keys are cached, and fetched again when a token names an unknown key.
func (s *keySet) find(token *jwt.Token) (interface{}, error) {
	if token.Header["typ"] != "at+jwt" {
		return nil, errors.New("not an access token")
	}
	kid, _ := token.Header["kid"].(string)
	s.Lock()
	defer s.Unlock()
	if s.keys[kid] == nil && time.Since(s.fetched) > fetchEvery {
		if err := s.fetch(); err != nil {
			return nil, err
		}
	}
	if key := s.keys[kid]; key != nil {
		return key, nil
	}
	return nil, errors.New("unknown key")
}

func (s *keySet) fetch() error {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(latchkey + "/.well-known/jwks.json")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var set struct{ Keys []struct{ Kid, X, Y string } }
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
		return err
	}
	s.keys, s.fetched = map[string]*ecdsa.PublicKey{}, time.Now()
	for _, key := range set.Keys {
		s.keys[key.Kid] = &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(key.X), Y: number(key.Y)}
	}
	return nil
}

func number(text string) *big.Int {
	bytes, _ := base64.RawURLEncoding.DecodeString(text)
	return new(big.Int).SetBytes(bytes)
}

type user struct{}

// authenticate rejects requests without a valid access token. The context contains the claims.
func authenticate(next http.HandlerFunc) http.HandlerFunc {
	keys := &keySet{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}))
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		claims := jwt.MapClaims{}
		_, err := parser.ParseWithClaims(text, claims, keys.find)
		ours := claims.VerifyIssuer(latchkey, true) && claims.VerifyAudience(latchkey, true) &&
			claims.VerifyExpiresAt(time.Now().Unix(), true)
		if err != nil || !ours || !strings.EqualFold(scheme, "bearer") {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, `{"error":"invalid_token"}`, http.StatusUnauthorized)
			return
		}
		next(w, r.WithContext(context.WithValue(r.Context(), user{}, claims)))
	}
}

func hello(w http.ResponseWriter, r *http.Request) {
	claims := r.Context().Value(user{}).(jwt.MapClaims)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]interface{}{"user_id": claims["sub"], "role": claims["role"]})
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	http.HandleFunc("/hello", authenticate(hello))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+setting("PORT", "4000"), nil))
}
