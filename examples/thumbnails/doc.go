// Thumbnails makes small pictures of all pictures in a directory, in as many processes as
// there are processors, with a bar that shows how far it has come.
//
//	go run ./examples/thumbnails -from ~/Pictures -to /tmp/small
//
// Decoders of pictures are a good reason for processes: a file that makes one crash, or
// take all memory, costs that file. By default the pictures are those that the Go
// distribution tests its own decoders with, some of which are broken on purpose.
package main
