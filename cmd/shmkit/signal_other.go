//go:build !linux

package main

import "os"

func endings() []os.Signal { return []os.Signal{os.Interrupt} }

func notifyResize(chan<- os.Signal) {}
