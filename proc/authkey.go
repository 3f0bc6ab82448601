package proc

import (
	"crypto/rand"
	"slices"
	"sync"
)

// keySize is the length of a random key in bytes.
const keySize = 32

// authKey is a secret, made when somebody asks for it. It is a function so that
// printing a Process in any way does not show it.
type authKey func() []byte

func newAuthKey() authKey {
	return sync.OnceValue(func() []byte {
		key := make([]byte, keySize)
		rand.Read(key) // never fails
		return key
	})
}

func fixedAuthKey(key []byte) authKey {
	key = slices.Clone(key)
	return func() []byte { return key }
}

// AuthKey returns a copy of the secret that processes of one family share, for
// connections on which they prove to each other who they are. It is random
// unless Options.AuthKey gave it; children inherit it. String does not show it.
func (p *Process) AuthKey() []byte {
	if p.key == nil {
		return nil // a program that Command started
	}
	return slices.Clone(p.key())
}
