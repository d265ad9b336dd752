package platform

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"starhash/configs/secret"
)

// DefaultPartitions is how many hash tags the keys are spread over.
const DefaultPartitions = 16

// maxPartitions is what one Crockford character in a reference can name.
const maxPartitions = 32

// storeTimeout bounds one exchange with Redis. A message that cannot be stored
// by then is given back to the SMSC with ESME_RX_T_APPN.
const storeTimeout = 2 * time.Second

// Store is the gateway's Redis. Every key of a subscriber carries the hash tag
// of its partition, {p00} to {p31}, so that one atomic script can change them
// together on a cluster as well:
//
//	{p07}:subscriber:<msisdn>   hash: imsi, bank, language, status
//	{p07}:pending:<msisdn>:<imsi>  the dynamic key opened ahead of need, wrapped
//	{p07}:dialogue:<msisdn>     hash: a USSD dialogue, wrapped, and its version
//	{p07}:favourites:<msisdn>   hash: a subscriber's number book, wrapped for good
//	{p07}:recent:<msisdn>       list: references of the latest transactions
//	{p07}:tx:<reference>        hash: one transaction, see transaction.go
//	{p07}:dedupe:<digest>       reference of the message with this digest
//	{p07}:question:<msisdn>     a transfer that waits for YES, wrapped; what YES began
//	{p07}:parts:<…>             hash: parts of a long message, wrapped
//	{p07}:partial               sorted set: deadlines of incomplete long messages
//	{p07}:mt:<reference>:<purpose> hash: what became of a message, see messages.go
//	{p07}:receipt:<smsc>:<id>   where a delivery receipt belongs, or one that came early
//	{p07}:parked                sorted set: receipts that came early
//	{p07}:later, {p07}:later:entries  outbox entries that wait for a bind or for the SMSC
//	{p07}:journal, {p07}:outbox streams with the consumer group "gateways"
//
// What is confidential is wrapped by the Keyring before it gets here.
type Store struct {
	redis      redis.UniversalClient
	groups     *grouped
	partitions int
	embedded   *miniredis.Miniredis
	stopClock  func() // of the embedded store
}

// Embedded is the redis.url of the in-process store, for trying things out.
const Embedded = "embedded"

// ErrStore is wrapped by every failure of Redis itself.
var ErrStore = errors.New("the store is not available")

// OpenStore connects to Redis (redis://, rediss://, or several addresses
// separated by commas for a cluster) or starts the embedded store, which keeps
// nothing. The number of partitions is fixed by the first gateway that opens a
// store; another number is refused.
func OpenStore(ctx context.Context, url secret.Value, partitions int) (*Store, error) {
	if partitions == 0 {
		partitions = DefaultPartitions
	}
	s := &Store{partitions: partitions}
	target := string(url.Reveal())
	if target == Embedded {
		m, err := miniredis.Run()
		if err != nil {
			return nil, fmt.Errorf("%w: embedded: %w", ErrStore, err)
		}
		s.embedded, target = m, "redis://"+m.Addr()
		s.startClock()
	}
	opts, err := redisOptions(target)
	if err != nil {
		return nil, err
	}
	// Every stream blocks a connection of its own; all else goes by the groups.
	opts.PoolSize = 2*partitions + 16
	s.redis = redis.NewUniversalClient(opts)
	opts.PoolSize = groupWriters
	s.groups = newGrouped(redis.NewUniversalClient(opts))
	s.redis.AddHook(s.groups)
	if err := s.claimPartitions(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func redisOptions(url string) (*redis.UniversalOptions, error) {
	addrs := strings.Split(url, ",")
	o, err := redis.ParseURL(addrs[0])
	if err != nil {
		// ParseURL's own error can repeat the URL and so a password.
		return nil, errors.New("redis.url is not a Redis URL; want redis://[user:password@]host:port/db, or embedded")
	}
	u := &redis.UniversalOptions{
		Addrs: []string{o.Addr}, DB: o.DB, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		DialTimeout: storeTimeout, ReadTimeout: storeTimeout, WriteTimeout: storeTimeout,
		// Every command of ours may run twice without harm (the scripts say
		// why), so go-redis' retry after a cut connection is safe here.
		MaxRetries: 1, ContextTimeoutEnabled: true,
	}
	for _, a := range addrs[1:] {
		u.Addrs = append(u.Addrs, strings.TrimPrefix(strings.TrimPrefix(a, "redis://"), "rediss://"))
	}
	return u, nil
}

func (s *Store) claimPartitions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*storeTimeout)
	defer cancel()
	const key = "starhash:partitions"
	if err := s.redis.SetNX(ctx, key, s.partitions, 0).Err(); err != nil {
		return storeError(err)
	}
	n, err := s.redis.Get(ctx, key).Int()
	if err != nil {
		return storeError(err)
	}
	if n != s.partitions {
		return fmt.Errorf("this Redis holds data in %d partitions, redis.partitions says %d", n, s.partitions)
	}
	return nil
}

// Close ends the connections, and the embedded store with all that it holds.
func (s *Store) Close() error {
	s.groups.close()
	err := errors.Join(s.groups.client.Close(), s.redis.Close())
	if s.embedded != nil {
		s.stopClock()
		s.embedded.Close()
	}
	return err
}

// startClock lets time pass in the embedded store, which by itself lets nothing
// expire: a question would wait for its YES for ever.
func (s *Store) startClock() {
	stop, done := make(chan struct{}), make(chan struct{})
	s.stopClock = sync.OnceFunc(func() { close(stop); <-done })
	go func() { // ends with Close
		defer close(done)
		t := time.NewTicker(100 * time.Millisecond)
		defer t.Stop()
		for last := time.Now(); ; {
			select {
			case now := <-t.C:
				s.embedded.FastForward(now.Sub(last))
				last = now
			case <-stop:
				return
			}
		}
	}()
}

// Ping says whether Redis answers.
func (s *Store) Ping(ctx context.Context) error { return storeError(s.redis.Ping(ctx).Err()) }

// Persistence is empty when Redis keeps what it is given across a restart, and
// says what is wrong otherwise.
func (s *Store) Persistence(ctx context.Context) string {
	if s.embedded != nil {
		return "the embedded store keeps nothing: everything is lost when this process ends"
	}
	info, err := s.redis.Info(ctx, "persistence").Result()
	switch {
	case err != nil:
		return "Redis does not tell whether it persists: " + err.Error()
	case !strings.Contains(info, "aof_enabled:1"):
		return "Redis has appendonly off: acknowledged messages are lost when it restarts"
	}
	return ""
}

// nextBoot draws the next boot number of a node.
func (s *Store) nextBoot(ctx context.Context, node uint16) (uint32, error) {
	n, err := s.redis.Incr(ctx, bootKey(node)).Result()
	return uint32(n), storeError(err)
}

// raiseBoot makes sure that no boot number up to n is drawn again. It never
// lowers the counter: another process of the node may have drawn more.
func (s *Store) raiseBoot(ctx context.Context, node uint16, n uint32) error {
	return storeError(raiseScript.Run(ctx, s.redis, []string{bootKey(node)}, n).Err())
}

func bootKey(node uint16) string { return fmt.Sprintf("starhash:boot:%d", node) }

func storeError(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}

// partition is the number of the partition that a subscriber's keys are in.
func (s *Store) partition(msisdn string) int {
	h := fnv.New32a()
	h.Write([]byte(msisdn))
	return int(h.Sum32() % uint32(s.partitions))
}

// key builds a key in a partition.
func key(partition int, parts ...string) string {
	return fmt.Sprintf("{p%02d}:%s", partition, strings.Join(parts, ":"))
}

//go:embed lua/*.lua
var luaFS embed.FS

func script(name string) *redis.Script {
	b, err := luaFS.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic("platform: " + err.Error()) // embedded by the line above
	}
	return redis.NewScript(string(b))
}

var (
	acceptScript   = script("accept")
	dialogueScript = script("dialogue")
	partScript     = script("part")
	answerScript   = script("answer")
	sendScript     = script("send")
	unsendScript   = script("unsend")
	finishScript   = script("finish")
	doubtScript    = script("doubt")
	raiseScript    = script("raise")
	noteScript     = script("note")
	cancelScript   = script("cancel")
	replaceScript  = script("replace")

	laterScript    = script("later")
	dueScript      = script("due")
	awaitScript    = script("await")
	receiptScript  = script("receipt")
	receivedScript = script("received")
)
