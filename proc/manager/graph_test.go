package manager

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// graphModel is what each owner holds, by id of the object and of the owner: roots have
// negative ones.
type graphModel map[int]map[uint64]int

// living returns what can be reached from the roots.
func (m graphModel) living() map[uint64]bool {
	live := map[uint64]bool{}
	var visit func(owner int)
	visit = func(owner int) {
		for id := range m[owner] {
			if !live[id] {
				live[id] = true
				visit(int(id))
			}
		}
	}
	for owner := range m {
		if owner < 0 {
			visit(owner)
		}
	}
	return live
}

// G22: random holds, also in circles, against a model. What can be reached lives always; what
// cannot has died after a count; each dies once; and the numbers are the sums of the holds.
func TestGraph(t *testing.T) {
	for seed := range uint64(20) {
		src := rand.New(rand.NewPCG(seed, 5))
		g, m := newGraph(1<<20), graphModel{}
		owners := map[int]*owner{}
		nodes := map[uint64]*node{}
		died := map[uint64]bool{}
		bury := func(dead []*node) {
			for _, n := range dead {
				require.False(t, died[n.id], "twice")
				died[n.id] = true
				delete(m, int(n.id))
				delete(owners, int(n.id))
				delete(nodes, n.id)
			}
		}
		root := func(i int) *owner {
			if owners[-i] == nil {
				owners[-i], m[-i] = new(owner), map[uint64]int{}
				g.roots[owners[-i]] = struct{}{}
			}
			return owners[-i]
		}
		any := func() (id int, o *owner) {
			root(1)
			n := src.IntN(len(owners))
			for id, o = range owners {
				if n--; n < 0 {
					break
				}
			}
			return id, o
		}
		for range 400 {
			at, o := any()
			_, target := any()
			targetID := uint64(0)
			for id, n := range nodes {
				if &n.owner == target {
					targetID = id
				}
			}
			switch src.IntN(10) {
			case 0, 1, 2:
				i := 1 + src.IntN(3)
				n, dead, err := g.add(root(i), "kind")
				require.NoError(t, err)
				bury(dead)
				owners[int(n.id)], m[int(n.id)], nodes[n.id] = &n.owner, map[uint64]int{}, n
				m[-i][n.id]++
			case 3, 4, 5:
				if targetID != 0 && g.take(o, []uint64{targetID}) == nil {
					m[at][targetID]++
				}
			case 6, 7, 8:
				for id, n := range m[at] {
					times := 1 + src.IntN(n+1) // one more than it has, perhaps
					if m[at][id] -= times; m[at][id] <= 0 {
						delete(m[at], id)
					}
					bury(g.drop(o, id, times))
					break
				}
			case 9:
				if at < 0 && src.IntN(4) == 0 {
					delete(m, at)
					delete(owners, at)
					bury(g.dropAll(o))
					require.Error(t, g.take(o, []uint64{1}))
				}
			}
			for id := range m.living() {
				require.False(t, died[id], "%d can be reached", id)
				require.NotNil(t, g.nodes[id])
			}
		}
		n, dead := g.count()
		bury(dead)
		require.Len(t, m.living(), n)
		sums := map[uint64]int{}
		for _, holds := range m {
			for id, k := range holds {
				sums[id] += k
			}
		}
		for id, n := range g.nodes {
			require.Equal(t, sums[id], n.wanted)
			require.True(t, g.lives(n))
		}
		for _, o := range owners {
			bury(g.dropAll(o))
		}
		n, _ = g.count()
		require.Zero(t, n)
	}
}
