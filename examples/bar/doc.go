// Package bar draws how far a Map or Imap of package pool has come, for programs to copy
// or to use as it is:
//
//	results, err := task.Map(ctx, p, inputs, &pool.MapOptions{Total: n, Progress: bar.On(os.Stderr)})
package bar
