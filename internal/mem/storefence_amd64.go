package mem

// StoreFence orders stores before it before stores after it. amd64 keeps
// stores in order, and so does the compiler.
func StoreFence() {}
