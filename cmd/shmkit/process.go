package main

import (
	"os"
	"strconv"
	"strings"
)

// command0 is the name of a process's program, "" if it is not known.
func command0(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(b), "\n")
}
