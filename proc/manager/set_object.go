package manager

import (
	"fmt"
	"slices"
)

// Operations of a set, besides those of a dictionary, of which it uses dictAdd, dictDelete,
// dictContains, dictLen, dictClear, dictPopItem and dictKeys. All take operands: their
// number, and each is a flag and then the id of a set, or keys.
const (
	setUnion        op = iota + 100 // returns keys, as the next three
	setIntersection                 //
	setDifference                   //
	setSymmetric                    // of one operand
	setAddAll                       // the same in place
	setKeep                         //
	setRemoveAll                    //
	setToggle                       // of one operand
	setIsSubset                     // of one operand; returns a flag, as the next three
	setIsSuperset                   //
	setIsDisjoint                   //
	setEqual                        //
)

var setKind = kind("Set", func(x *request, n *node) (object, error) {
	s := &setObject{dictObject{places: make(map[string]int)}}
	keys := x.keys()
	if err := x.args(); err != nil {
		return nil, err
	}
	s.replace(x, keys)
	return s, nil
})

// setObject is a dictionary whose keys are the elements.
type setObject struct{ dictObject }

// present is the value of each: an empty struct.
var present = value{data: []byte{0xa0}}

func (s *setObject) serve(x *request) error {
	if x.op < setUnion {
		return s.dictObject.serve(x)
	}
	if x.op > setEqual {
		return x.unknown()
	}
	// Other sets have locks of their own: what they have is copied before this one is
	// locked. It may be this one.
	operands, err := x.operands()
	if err != nil {
		return err
	}
	one := x.op == setSymmetric || x.op == setToggle || x.op >= setIsSubset
	if one && len(operands) != 1 {
		return fmt.Errorf("%w: operation %d of Set: %d operands", ErrProtocol, x.op, len(operands))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.elements()
	switch {
	case x.op >= setIsSubset:
		x.out.flag(compareSets(x.op, mine, operands[0]))
	case x.op >= setAddAll:
		s.replace(x, combineSets(x.op-setAddAll+setUnion, mine, operands))
	default:
		result := combineSets(x.op, mine, operands)
		x.out.number(uint64(len(result)))
		for _, k := range result {
			x.out.text(k)
		}
	}
	return nil
}

// keys are a number and so many keys.
func (r *reader) keys() (keys []string) {
	for range r.count() {
		if keys = append(keys, r.text()); r.bad {
			return nil
		}
	}
	return keys
}

// operands returns the elements of each, read to the end of the arguments.
func (x *request) operands() (all [][]string, err error) {
	type operand struct {
		id   uint64
		keys []string
	}
	var read []operand
	for range x.count() {
		o := operand{}
		if x.flag() {
			o.id = x.number()
		} else {
			o.keys = x.keys()
		}
		if read = append(read, o); x.bad {
			break
		}
	}
	if err := x.args(); err != nil {
		return nil, err
	}
	total := 0
	for _, o := range read {
		if o.id != 0 {
			n, object := x.server.graph.find(o.id)
			if n == nil {
				return nil, fmt.Errorf("%w: object %d", ErrGone, o.id)
			}
			other, ok := object.(*setObject)
			if !ok {
				return nil, fmt.Errorf("%w: object %d is a %s", ErrKind, o.id, n.kind)
			}
			other.mu.Lock()
			o.keys = other.elements()
			other.mu.Unlock()
		}
		if total += len(o.keys); total > maxElements { // one set may be named often
			return nil, fmt.Errorf("%w: operands of more than %d", ErrTooLong, maxElements)
		}
		all = append(all, o.keys)
	}
	return all, nil
}

// elements returns them in the order in which they came.
func (s *setObject) elements() []string {
	all := make([]string, 0, len(s.places))
	for _, i := range s.items {
		if i.there {
			all = append(all, i.key)
		}
	}
	return all
}

// replace has the set exactly these elements. Those that stay keep their places.
func (s *setObject) replace(x *request, keys []string) {
	stay := setOf(keys)
	for _, k := range s.elements() {
		if !stay[k] {
			s.remove(x, s.places[k])
		}
	}
	for _, k := range keys {
		if _, there := s.places[k]; !there {
			s.set(x, []byte(k), present)
		}
	}
}

func setOf(keys []string) map[string]bool {
	m := make(map[string]bool, len(keys))
	for _, k := range keys {
		m[k] = true
	}
	return m
}

// combineSets returns the elements of mine with others, which may have some twice. The
// order is mine, then that of what is added. mine is lost.
func combineSets(o op, mine []string, others [][]string) []string {
	result := slices.Clip(mine) // it is mine to change, not to append to
	switch o {
	case setUnion:
		have := setOf(mine)
		for _, k := range slices.Concat(others...) {
			if !have[k] {
				have[k] = true
				result = append(result, k)
			}
		}
	case setIntersection, setDifference:
		for _, other := range others {
			have := setOf(other)
			result = slices.DeleteFunc(result, func(k string) bool { return have[k] != (o == setIntersection) })
		}
	case setSymmetric:
		fresh := combineSets(setUnion, mine, others)[len(mine):]
		return append(combineSets(setDifference, mine, others), fresh...)
	}
	return result
}

// compareSets answers a question about two sets, of which the other may have elements
// twice.
func compareSets(o op, mine, other []string) bool {
	theirs, shared := setOf(other), 0
	for _, k := range mine {
		if theirs[k] {
			shared++
		}
	}
	switch o {
	case setIsSubset:
		return shared == len(mine)
	case setIsSuperset:
		return shared == len(theirs)
	case setIsDisjoint:
		return shared == 0
	}
	return shared == len(mine) && shared == len(theirs)
}
