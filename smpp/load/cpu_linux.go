package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// userHZ is the unit of /proc/PID/stat's times: proc(5), constant on Linux whatever
// the kernel's own tick is.
const userHZ = 100

// cpuTime is what a process has used of the CPUs, itself if pid is 0, to 10 ms; 0
// where it cannot be told.
func cpuTime(pid int) time.Duration {
	name := "self"
	if pid != 0 {
		name = strconv.Itoa(pid)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%s/stat", name))
	if err != nil {
		return 0
	}
	// The name, in brackets, may hold anything; utime and stime are fields 14 and 15.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	user, err := strconv.ParseUint(string(f[11]), 10, 64)
	if err != nil {
		return 0
	}
	system, err := strconv.ParseUint(string(f[12]), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(user+system) * time.Second / userHZ
}
