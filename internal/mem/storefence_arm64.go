package mem

// StoreFence orders stores before it before stores after it (DMB ISHST).
func StoreFence()
