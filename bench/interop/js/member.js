// A member of a group with kafkajs: it prints what it processes, commits it, prints what it was told is committed, and leaves
// when standard input ends. A line is p or c, partition, offset (c: the one after the last). Arguments: bootstrap, group, topic.
const path = require('path')
const { Kafka, logLevel } = require(path.join(process.env.INTEROP_HOME, 'js', 'node_modules', 'kafkajs'))

const [bootstrap, groupId, topic] = process.argv.slice(2)
const say = (what, partition, offset) => process.stdout.write(`${what} ${partition} ${offset}\n`)

async function run () {
  const kafka = new Kafka({
    clientId: 'kafkajs',
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 300 }
  })
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 1000, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      let last = null
      for (const { offset } of batch.messages) {
        if (!isRunning() || isStale()) break
        say('p', batch.partition, offset)
        resolveOffset(offset)
        last = offset
      }
      if (last === null) return
      const next = (BigInt(last) + 1n).toString()
      await consumer.commitOffsets([{ topic, partition: batch.partition, offset: next }])
      say('c', batch.partition, next)
      await heartbeat()
    }
  })
  process.stdin.on('end', async () => {
    await consumer.disconnect()
    process.exit(0)
  })
  process.stdin.resume()
}

run().catch(error => { console.error(error); process.exit(1) })
