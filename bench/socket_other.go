//go:build !linux

package main

import "errors"

func sockets(*order) (*link, error) { return nil, errors.ErrUnsupported }
