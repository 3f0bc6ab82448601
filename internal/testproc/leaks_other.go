//go:build !linux

package testproc

// snapshot is empty where nothing can be started or mapped.
type snapshot struct{}

func takeSnapshot() snapshot { return snapshot{} }

func (snapshot) leaks() []string { return nil }
