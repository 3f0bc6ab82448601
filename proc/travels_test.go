package proc

import (
	"math/big"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/shm"
)

type node struct {
	Next     *node
	Children map[string][]node
	When     time.Time
	From     netip.Addr
	To       *url.URL
	Big      big.Int
	Any      any
	Memory   []*shm.Segment
	Role     *ringbuf.Producer
	Nothing  struct{}
	Left     sync.Mutex `cbor:"-"`
	Out      *os.File   `json:"-"`
	_        sync.Mutex
	sync.Mutex
}

type deepLock struct {
	Rows []map[string]struct{ Lock *sync.Mutex }
}

type ouroboros struct{ *ouroboros }

// P42: what can never travel is refused at once, not found to be missing later.
func TestTravelsP42(t *testing.T) {
	for _, good := range []reflect.Type{
		reflect.TypeFor[node](), reflect.TypeFor[any](), reflect.TypeFor[[3][]byte](), reflect.TypeFor[struct{}](),
	} {
		require.NoError(t, codec.Travels(good))
	}
	for want, bad := range map[string]reflect.Type{
		"*os.File is a os.File, of which nothing would arrive":                      reflect.TypeFor[*os.File](),
		"proc.deepLock.Rows.Lock is a sync.Mutex, of which nothing would arrive":    reflect.TypeFor[deepLock](),
		"map[sync.WaitGroup]int is a sync.WaitGroup, of which nothing would arrive": reflect.TypeFor[map[sync.WaitGroup]int](),
		"proc.ouroboros is a proc.ouroboros, of which nothing would arrive":         reflect.TypeFor[ouroboros](),
		"atomic.Int64 is a atomic.Int64, of which nothing would arrive":             reflect.TypeFor[atomic.Int64](),
		"struct { C chan int }.C is a chan, which belongs to its process":           reflect.TypeFor[struct{ C chan int }](),
		"[]func() is a func, which belongs to its process":                          reflect.TypeFor[[]func()](),
	} {
		require.EqualError(t, codec.Travels(bad), want)
	}
}
