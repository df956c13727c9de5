// Runs Distribution's own purge of uploads once on a folder. Its server does so only at a random minute of its first
// hour, and has no command for it.
//
//	go run trees-purge.go FOLDER AGE
//
// Every upload that is older than AGE goes; one line is printed for each.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	age, err := time.ParseDuration(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	driver := filesystem.New(filesystem.DriverParameters{RootDirectory: os.Args[1], MaxThreads: 25})
	purged, problems := storage.PurgeUploads(context.Background(), driver, time.Now().Add(-age), true)
	for _, folder := range purged {
		fmt.Println(folder)
	}
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}
