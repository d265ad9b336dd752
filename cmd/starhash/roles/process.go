package roles

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a role that runs, or ran.
type Process struct {
	Name  string
	cmd   *exec.Cmd
	log   string // the file that both its outputs go to
	ended chan struct{}
}

// start starts a process whose outputs go to a file, behind what an earlier one
// of the name wrote.
func (r *Roles) start(name, path string, args ...string) (*Process, error) {
	p := &Process{Name: name, cmd: exec.Command(path, args...), log: filepath.Join(r.opt.Dir, name+".log"), ended: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the process has its own
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = out, out, r.opt.Dir
	p.cmd.Env = append(os.Environ(), r.opt.Environment...)
	endWithParent(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process, which Stop ends
		_ = p.cmd.Wait() // State says how it ended
		close(p.ended)
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.processes = append(r.processes, p)
	return p, nil
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// State says how it ended; to be asked after that.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal; to a process that has ended, none.
func (p *Process) Signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Kill ends it without a chance to tidy up, and waits until it is gone.
func (p *Process) Kill() error {
	err := p.Signal(syscall.SIGKILL)
	<-p.ended
	return err
}

// Stop asks it to end and waits; an error says that it had to be killed, or
// that it did not end well.
func (p *Process) Stop() error {
	select {
	case <-p.ended:
		return nil // by itself, or stopped before: whoever waited for it knows
	default:
	}
	for _, s := range []os.Signal{syscall.SIGCONT, syscall.SIGTERM} {
		if err := p.Signal(s); err != nil {
			return err
		}
	}
	t := time.NewTimer(stopTime)
	defer t.Stop()
	select {
	case <-p.ended:
	case <-t.C:
		return errors.Join(fmt.Errorf("%s did not end within %v of SIGTERM", p.Name, stopTime), p.Kill())
	}
	if !p.State().Success() {
		return fmt.Errorf("%s: %v\n%s", p.Name, p.State(), p.tail())
	}
	return nil
}

// tail is the end of what it wrote.
func (p *Process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// ticks is USER_HZ, the unit of times in /proc, on every Linux that Go runs on.
const ticks = 100

// CPU is the processor time that it has used, user and system, to 10 ms; 0 where
// there is no /proc.
func (p *Process) CPU() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return 0
	}
	// The name in parentheses may hold blanks; utime and stime are the 14th and
	// 15th fields, proc(5).
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if errors.Join(err1, err2) != nil {
		return 0
	}
	return time.Duration(user+system) * time.Second / ticks
}

// Resident is its resident set in MiB; 0 where there is no /proc.
func (p *Process) Resident() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Pid()))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return 0
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
