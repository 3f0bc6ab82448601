package main

import (
	"context"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	"image/png"
	"os"
	"path/filepath"

	"github.com/shmkit/shmkit/proc/pool"
)

// order is one picture to be made small.
type order struct {
	From, To string
	Side     int // the longest side that the small one may have
}

// thumb is a small picture that was made.
type thumb struct {
	File          string
	Width, Height int
	Bytes         int64
}

var shrink = pool.RegisterTask("shrink", func(ctx context.Context, o order) (thumb, error) {
	in, err := os.Open(o.From)
	if err != nil {
		return thumb{}, err
	}
	defer in.Close()
	large, _, err := image.Decode(in)
	if err != nil {
		return thumb{}, fmt.Errorf("%s: %w", filepath.Base(o.From), err)
	}
	small := reduce(large, o.Side)
	if err := os.MkdirAll(filepath.Dir(o.To), 0o755); err != nil {
		return thumb{}, err
	}
	out, err := os.Create(o.To)
	if err != nil {
		return thumb{}, err
	}
	defer out.Close()
	if err := png.Encode(out, small); err != nil {
		return thumb{}, err
	}
	info, err := out.Stat()
	if err != nil {
		return thumb{}, err
	}
	return thumb{o.To, small.Bounds().Dx(), small.Bounds().Dy(), info.Size()}, out.Close()
})

// reduce averages the pixels of m that fall into one of the result.
func reduce(m image.Image, side int) *image.NRGBA {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	if long := max(w, h); long > side {
		w, h = max(w*side/long, 1), max(h*side/long, 1)
	}
	small := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			small.Set(x, y, average(m, image.Rect(
				b.Min.X+x*b.Dx()/w, b.Min.Y+y*b.Dy()/h,
				b.Min.X+(x+1)*b.Dx()/w, b.Min.Y+(y+1)*b.Dy()/h)))
		}
	}
	return small
}

func average(m image.Image, area image.Rectangle) color.RGBA64 {
	var r, g, b, a, n uint64
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			pr, pg, pb, pa := m.At(x, y).RGBA()
			r, g, b, a, n = r+uint64(pr), g+uint64(pg), b+uint64(pb), a+uint64(pa), n+1
		}
	}
	n = max(n, 1)
	return color.RGBA64{uint16(r / n), uint16(g / n), uint16(b / n), uint16(a / n)}
}
