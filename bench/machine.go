package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// machine describes where the figures come from.
type machine struct {
	CPU      string `json:"cpu"`
	CPUs     int    `json:"cpus"`
	Caches   string `json:"caches,omitempty"`
	Kernel   string `json:"kernel"`
	Go       string `json:"go"`
	Arch     string `json:"arch"`
	Governor string `json:"governor,omitempty"`
}

func describe(cpus []int) machine {
	m := machine{
		CPU: "unknown processor", CPUs: len(cpus), Kernel: fileWord("/proc/sys/kernel/osrelease"),
		Go: runtime.Version(), Arch: runtime.GOARCH,
		Governor: fileWord("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			m.CPU = strings.TrimSpace(v)
			break
		}
	}
	var caches []string
	for i := range 4 {
		dir := fmt.Sprintf("/sys/devices/system/cpu/cpu0/cache/index%d/", i)
		if level, size := fileWord(dir+"level"), fileWord(dir+"size"); level != "" && fileWord(dir+"type") != "Instruction" {
			caches = append(caches, "L"+level+" "+size)
		}
	}
	m.Caches = strings.Join(caches, ", ")
	return m
}

func (m machine) String() string {
	s := fmt.Sprintf("%s, %d processors, Linux %s, %s %s", m.CPU, m.CPUs, m.Kernel, m.Go, m.Arch)
	if m.Caches != "" {
		s += ", " + m.Caches
	}
	if m.Governor != "" {
		s += ", governor " + m.Governor
	}
	return s
}

// siblings says whether two processors are threads of one core.
func siblings(a, b int) bool {
	list := fileWord(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", a))
	for part := range strings.SplitSeq(list, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		l, err := strconv.Atoi(lo)
		if err != nil {
			continue
		}
		h := l
		if isRange {
			if h, err = strconv.Atoi(hi); err != nil {
				continue
			}
		}
		if l <= b && b <= h {
			return true
		}
	}
	return false
}

func fileWord(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
