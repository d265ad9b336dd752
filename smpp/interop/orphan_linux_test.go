package interop

import (
	"os/exec"
	"syscall"
)

// endWithParent leaves no process behind when the test binary itself is killed.
func endWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
