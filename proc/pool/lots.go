package pool

// lots is a list of lots.
type lots[A, R any] struct {
	first *lot[A, R]
	n     int
}

func (s *lots[A, R]) add(l *lot[A, R]) {
	l.before, l.after = nil, s.first
	if s.first != nil {
		s.first.before = l
	}
	s.first = l
	s.n++
}

func (s *lots[A, R]) remove(l *lot[A, R]) {
	if l.before != nil {
		l.before.after = l.after
	} else {
		s.first = l.after
	}
	if l.after != nil {
		l.after.before = l.before
	}
	l.before, l.after = nil, nil
	s.n--
}

// start makes an empty lot.
func (m *mapping[A, R]) start() {
	l := m.spare
	if l != nil {
		m.spare = l.after
		*l = lot[A, R]{args: l.args[:0], out: l.out[:0]}
	} else {
		l = new(lot[A, R])
	}
	l.first, l.speed = m.added, m.size
	l.init(m.task, m.then)
	l.timed = m.opts.Chunk == 0
	if l.stride >= 0 {
		l.most = m.size.size()
		if l.stride > 0 {
			l.most = min(l.most, max(m.bytes/l.stride, 1))
		}
	}
	m.open = l
}

// reuse takes back a lot whose results were taken. Arguments without pointers, which are
// all that is kept, hold nothing alive.
func (m *mapping[A, R]) reuse(l *lot[A, R]) {
	if l.stride < 0 || l.task == nil || l.heavy {
		return
	}
	if m.task.result.kind != formPlain {
		l.out = nil
	}
	if l.borrowed {
		l.args = nil
	}
	m.mu.Lock()
	l.after, m.spare = m.spare, l
	m.mu.Unlock()
}
