package manager

// An object is what a manager owns, of one kind. The server calls its methods from many
// goroutines at once; each has a lock of its own.
type object interface {
	// serve does what a request asks and writes the reply to it. It must not block: what
	// has to wait parks the request. What it returns is the call's error.
	serve(x *request) error
	// left is told once that a session has ended that was involved (session.involve):
	// the object takes back what that one held, and drops its parked requests.
	left(s *session)
	// died is told that nobody can reach the object any more: its parked requests fail. It
	// is told again if a request that was under way has parked since.
	died()
}

// op is an operation of a kind of object.
type op uint16

// kinds makes the objects that clients may ask for, by kind. The request has the
// arguments.
var kinds = map[string]func(x *request, n *node) (object, error){}

// kind adds one to kinds. It is called in the declaration of a package-level variable.
func kind(name string, make func(x *request, n *node) (object, error)) string {
	kinds[name] = make
	return name
}
