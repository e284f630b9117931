// The floor: franz-go reads; with `parse`, jsonparser finds what a count needs and a map counts. It keeps nothing and decides
// nothing. Usage: floor BOOTSTRAP TOPIC WARM COUNT (read | parse)
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/buger/jsonparser"
	"github.com/twmb/franz-go/pkg/kgo"
)

func cpu() float64 {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func main() {
	warm, count, parse := number(os.Args[3]), number(os.Args[4]), os.Args[5] == "parse"
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Args[1]),
		kgo.ConsumeTopics(os.Args[2]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	must(err)
	counts := map[string]int{}
	var key []byte
	seen, first, began, used := 0, 0, time.Now(), cpu()
	for seen < count {
		fetches := client.PollFetches(context.Background())
		for _, one := range fetches.Errors() {
			must(one.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if parse {
				key = key[:0]
				_ = jsonparser.ObjectEach(record.Value, func(name, value []byte, _ jsonparser.ValueType, _ int) error {
					switch string(name) {
					case "platform", "country", "asn":
						key = append(append(key, value...), '|')
					}
					return nil
				})
				counts[string(key)]++
			}
			seen++
		})
		if first == 0 && seen >= warm {
			first, began, used = seen, time.Now(), cpu()
		}
	}
	var peak syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &peak)
	fmt.Printf("{\"n\": %d, \"cpu\": %f, \"wall\": %f, \"peak_bytes\": %d}\n",
		seen-first, cpu()-used, time.Since(began).Seconds(), peak.Maxrss*1024)
}
