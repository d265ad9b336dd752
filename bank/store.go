package bank

import (
	"context"
	"database/sql"
	_ "embed" // schema.sql
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	_ "modernc.org/sqlite" // see the package's doc for why this one

	"starhash/bank/ledger"
)

//go:embed schema.sql
var schema string

const (
	// applicationID marks our database files, in SQLite's header.
	applicationID = 0x53746268 // "Stbh"
	// schemaVersion is the user_version of what schema and ledger.Schema make.
	schemaVersion = 2

	// maxGroup bounds the jobs of one commit: at 32 a commit's cost is a tenth
	// of a job's, and nobody waits long behind a group.
	maxGroup = 64
	// maxQueue bounds the jobs that wait; past it write answers errBusy.
	maxQueue = 1024
	// maxReaders bounds the connections beside the writer's.
	maxReaders = 8
)

var (
	errBusy   = errors.New("bank: too many writes are waiting")
	errClosed = errors.New("bank: the database is closed")
)

// store is the bank's database: any number of readers, and one writer that
// commits in groups. SQLite lets one transaction write at a time anyway; giving
// all writes to one goroutine makes many of them share one flush to the disk
// and takes lock contention out of the picture.
type store struct {
	db   *sql.DB
	jobs chan *job
	log  *slog.Logger

	closing chan struct{} // closed by close
	done    chan struct{} // closed when the writer has ended
	once    sync.Once
	broken  atomic.Bool // the last commit failed
}

// job is one caller's write.
type job struct {
	ctx context.Context
	do  func(ledger.Tx) error
	err error
	end chan struct{}
}

// openStore opens or makes the database. path ":memory:" keeps it in memory,
// for trying things out.
func openStore(path string, log *slog.Logger) (*store, error) {
	if path != ":memory:" {
		// SQLite would make it readable by all; what it makes beside it (the
		// write-ahead log) takes over this mode.
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1 + maxReaders)
	db.SetMaxIdleConns(1 + maxReaders)
	conn, err := prepare(db)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	s := &store{db: db, log: log, jobs: make(chan *job, maxQueue), closing: make(chan struct{}), done: make(chan struct{})}
	go s.run(conn)
	return s, nil
}

var memories atomic.Int64

// dsn asks for a write-ahead log, whose readers do not wait for the writer, and
// for a flush at every commit: an answer that left survives a power cut.
func dsn(path string) string {
	q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "trusted_schema(0)"}}
	if path == ":memory:" {
		// SQLite's memdb is one database for all connections of the process that
		// name it; its plain ":memory:" is one a connection.
		q.Set("vfs", "memdb")
		path = fmt.Sprintf("/starhash-bank-%d", memories.Add(1))
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// prepare takes the writer's connection and makes the tables in an empty
// database. A database that is another program's, or a newer version's, is
// refused before anything is written to it.
func prepare(db *sql.DB) (*sql.Conn, error) {
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	// IMMEDIATE: two processes that start on one new file take turns.
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	var app, version, tables int
	row := conn.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT COUNT(*) FROM sqlite_schema)`)
	if err := row.Scan(&app, &version, &tables); err != nil {
		return nil, err
	}
	switch {
	case app == applicationID && version == schemaVersion:
	case app == applicationID && version == 1:
		if _, err := conn.ExecContext(ctx, from1to2); err != nil {
			return nil, err
		}
	case app == applicationID:
		return nil, fmt.Errorf("has version %d, this program knows %d", version, schemaVersion)
	case tables != 0:
		return nil, errors.New("is not a bank's database")
	default:
		create := ledger.Schema + schema + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
		if _, err := conn.ExecContext(ctx, create); err != nil {
			return nil, err
		}
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return conn, err
}

// from1to2 brings a database of version 1 up to version 2.
const from1to2 = `
ALTER TABLE customers ADD COLUMN lookups INTEGER NOT NULL DEFAULT 0;
ALTER TABLE customers ADD COLUMN looked_on TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 2;`

// write runs do in a database transaction and returns after its commit: do's
// error rolls back what do wrote, and only that; an error of the commit means
// that nothing was written. do runs on the writer's goroutine, perhaps in one
// transaction with other callers' writes, and must not keep tx. It runs a second
// time, from the start, when a neighbour's failure undoes the first: so it sets
// all its variables anew. Once do has begun, write waits for the commit whatever
// ctx says, so that what do left in its variables is the caller's when write
// returns, and true when it returns nil.
func (s *store) write(ctx context.Context, do func(tx ledger.Tx) error) error {
	j := &job{ctx: ctx, do: do, end: make(chan struct{})}
	select {
	case <-s.closing:
		return errClosed
	default:
	}
	select {
	case s.jobs <- j:
	default:
		return errBusy
	}
	select {
	case <-j.end:
		return j.err
	case <-s.done:
	}
	// The writer has ended: it answered j before that, or never took it.
	select {
	case <-j.end:
		return j.err
	default:
		return errClosed
	}
}

// read runs do on a snapshot of what is committed, beside the writer.
func (s *store) read(ctx context.Context, do func(tx ledger.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return do(tx)
}

// ready says whether the database answers and the last commit went through.
func (s *store) ready(ctx context.Context) error {
	if s.broken.Load() {
		return errors.New("the last commit failed")
	}
	var some bool
	return s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM customers)`).Scan(&some)
}

// close lets the writer finish what waits, and closes the database.
func (s *store) close() error {
	var err error
	s.once.Do(func() {
		close(s.closing)
		<-s.done
		err = s.db.Close()
	})
	return err
}

// run is the writer.
func (s *store) run(c *sql.Conn) {
	defer close(s.done)
	conn := &writeConn{conn: c, stmts: make(map[string]*sql.Stmt)}
	defer conn.close()
	group := make([]*job, 0, maxGroup)
	for {
		group = group[:0]
		select {
		case j := <-s.jobs:
			group = append(group, j)
		case <-s.closing:
			select { // what was taken before close is still answered
			case j := <-s.jobs:
				group = append(group, j)
			default:
				return
			}
		}
		// Whoever came while the last group was being committed forms the next
		// one. Nobody waits for company: an idle bank commits one at a time.
	fill:
		for len(group) < maxGroup {
			select {
			case j := <-s.jobs:
				group = append(group, j)
			default:
				break fill
			}
		}
		err := s.commit(conn, group)
		s.broken.Store(err != nil)
		if err != nil {
			s.log.Error("commit failed", "writes", len(group), "error", err)
		}
		for _, j := range group {
			if err != nil && j.err == nil {
				j.err = err
			}
			close(j.end)
		}
	}
}

// commit runs a group in one transaction. An error is the whole group's: nothing of
// it was written.
//
// A savepoint a job costs as much as a few of its statements, and is needed only
// where a job fails after it has written, which is rare: so the group runs without,
// and once more with savepoints when that happens.
func (s *store) commit(conn *writeConn, group []*job) error {
	if _, err := conn.Exec("BEGIN IMMEDIATE"); err != nil {
		return conn.abandon(err)
	}
	if clean := s.together(conn, group); !clean {
		if _, err := conn.Exec("ROLLBACK"); err != nil {
			return conn.abandon(err)
		}
		if len(group) == 1 {
			return nil // it has its error, and nothing is left of it
		}
		if _, err := conn.Exec("BEGIN IMMEDIATE"); err != nil {
			return conn.abandon(err)
		}
		if err := s.apart(conn, group); err != nil {
			return conn.abandon(err)
		}
	}
	if _, err := conn.Exec("COMMIT"); err != nil {
		return conn.abandon(err)
	}
	return nil
}

// together runs the jobs one after the other. It gives false, and does not go on,
// when one of them has failed and left something.
func (s *store) together(conn *writeConn, group []*job) (clean bool) {
	for _, j := range group {
		if j.err = j.ctx.Err(); j.err != nil {
			continue // its caller has gone and was told nothing
		}
		conn.wrote = false
		if j.err = s.guard(j.do, conn); j.err != nil && conn.wrote {
			return false
		}
	}
	return true
}

// apart is together with a savepoint a job. An error is the database's.
func (s *store) apart(conn *writeConn, group []*job) error {
	for _, j := range group {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		if _, err := conn.Exec("SAVEPOINT job"); err != nil {
			return err
		}
		if j.err = s.guard(j.do, conn); j.err != nil {
			if _, err := conn.Exec("ROLLBACK TO job"); err != nil {
				return err
			}
		}
		if _, err := conn.Exec("RELEASE job"); err != nil {
			return err
		}
	}
	return nil
}

// guard makes an error of a panic: one caller's bug does not end the writer,
// and what it half wrote is rolled back.
func (s *store) guard(do func(ledger.Tx) error, tx ledger.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a write panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errors.New("bank: internal error")
		}
	}()
	return do(tx)
}

// writeConn is the writer's connection. It keeps its statements prepared: a
// transfer runs a dozen, and parsing them costs more than running them. Their
// texts are constants of this program, so that they are few.
type writeConn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	wrote bool // something was executed, or may have been, since it was last set to false
}

func (c *writeConn) stmt(query string) (*sql.Stmt, error) {
	if st, ok := c.stmts[query]; ok {
		return st, nil
	}
	st, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = st
	return st, nil
}

func (c *writeConn) Exec(query string, args ...any) (sql.Result, error) {
	c.wrote = true
	st, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	return st.Exec(args...)
}

func (c *writeConn) Query(query string, args ...any) (*sql.Rows, error) {
	st, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	return st.Query(args...)
}

func (c *writeConn) QueryRow(query string, args ...any) *sql.Row {
	st, err := c.stmt(query)
	if err != nil {
		// A *sql.Row that carries an error can only come from database/sql: let
		// it find the same error itself.
		return c.conn.QueryRowContext(context.Background(), query, args...)
	}
	return st.QueryRow(args...)
}

// abandon rolls the transaction back after err. A rollback that fails too has
// nothing to undo: SQLite rolls back by itself on a full disk and the like.
func (c *writeConn) abandon(err error) error {
	if _, rerr := c.Exec("ROLLBACK"); rerr != nil && !strings.Contains(rerr.Error(), "no transaction is active") {
		return errors.Join(err, rerr)
	}
	return err
}

func (c *writeConn) close() {
	for _, st := range c.stmts {
		st.Close()
	}
	c.conn.Close()
}
