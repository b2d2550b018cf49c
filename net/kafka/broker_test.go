package kafka_test

import (
	"crypto/rand"
	"net"
	"os"
	"sync"
	"testing"

	"rookery/core"
	"rookery/core/batch"
	"rookery/core/compact"
	"rookery/core/conn"
	"rookery/core/log"
	"rookery/core/seam"
	"rookery/io/disk"
	"rookery/io/loop"
	"rookery/net/server"
)

// broker is the address of the real broker that examples and tests talk to: one node in this process.
var broker string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rookery-kafka-")
	must(err)
	var stop func()
	broker, stop = serve(dir)
	code := m.Run()
	stop()
	must(os.RemoveAll(dir))
	os.Exit(code)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// serve runs a broker over a directory until stop, which ends it cleanly.
func serve(dir string) (address string, stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	mind := core.DefaultConfig()
	mind.ClusterID, mind.Directories = "in-this-process", []string{dir}
	mind.Controller.ClusterID = mind.ClusterID
	mind.DirectoryIDs = append(mind.DirectoryIDs, [16]byte{1: 1, 6: 0x40, 8: 0x80})
	rand.Read(mind.Incarnation[:])
	rand.Read(mind.Seed[:])

	files := disk.New(disk.Config{Dirs: []string{dir}})
	var port *disk.Port
	doors := server.New(server.Config{
		FrameBytesMax: 100 << 20,
		InUse:         files.InUse,
		Intake: func(frame []byte, reuse any) any {
			request, ok := reuse.(*conn.Request)
			if !ok {
				request = new(conn.Request)
			}
			request.Scratch = new(batch.Scratch)
			conn.Intake(frame, conn.Limits{FrameMax: 100 << 20}, request)
			request.Scratch = nil
			return request
		},
		Pin: func(file seam.File) (server.Source, seam.Fault) {
			handle, fault := port.Pin(file)
			if fault != seam.OK {
				return nil, fault
			}
			return handle, seam.OK
		},
	})
	stopped := make(chan struct{})
	broker := loop.New(loop.Config{
		Machine: core.NewBroker(mind),
		Conns:   doors,
		Disk: func(mail *loop.Loop, calm bool) loop.Disk {
			p := files.Port(mail, calm)
			if port == nil {
				port = p // the broker's: it asks first
			}
			return p
		},
		Make: func(address seam.Address) seam.Machine {
			switch address.Kind {
			case seam.ToRecovery:
				return log.NewRecovery()
			case seam.ToSearch:
				return log.NewSearch()
			case seam.ToCleaner:
				return compact.New()
			case seam.ToCopier:
				return log.NewCopier()
			default:
				return nil
			}
		},
		Event: func(e seam.Event) {
			if e.Kind == seam.Stopped {
				close(stopped)
			}
		},
	})
	doors.Bind(broker)
	broker.Push(files.Started())
	var serving sync.WaitGroup
	serving.Go(func() { must(doors.Serve(server.Listener{Listener: listener})) })
	return listener.Addr().String(), func() {
		broker.Push(&seam.Stop{})
		<-stopped
		doors.Close()
		serving.Wait()
	}
}
