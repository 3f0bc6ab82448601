package ringbuf

import (
	"hash/fnv"

	"github.com/shmkit/shmkit/internal/race"
)

// handOver stands for the indices of one ring or channel, for the race
// detector: what a goroutine of this process did before it published, another
// one may rely on when it has seen it. Without -race it is nothing.
type handOver struct{ tail, head race.Addr }

// handOvers are shared by all rings of the process. Two rings that meet in one
// are only taken to be more in order than they are.
var handOvers [64]handOver

// handOverOf is the same for all mappings of one object, whose header carries a
// random id.
func handOverOf(object []byte) *handOver {
	if !race.Enabled {
		return &handOvers[0]
	}
	sum := fnv.New32a()
	sum.Write(object)
	return &handOvers[sum.Sum32()%uint32(len(handOvers))]
}
