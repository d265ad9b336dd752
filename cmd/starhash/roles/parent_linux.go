package roles

import (
	"os/exec"
	"syscall"
)

// endWithParent leaves no process behind when this one is killed.
func endWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
