// kafkajs: sends a file of records, each to the partition it names, and waits for every answer; then asks for the
// offsets. Arguments: bootstrap, topic, file. It has no consumer without a group, so it does not read back.
const fs = require('fs')
const path = require('path')
const { Kafka, logLevel } = require(path.join(process.env.INTEROP_HOME, 'js', 'node_modules', 'kafkajs'))

const [bootstrap, topic, file] = process.argv.slice(2)

function * records (data) {
  let at = 0
  const number = () => { at += 4; return data.readInt32BE(at - 4) }
  const nullable = () => {
    const length = number()
    if (length < 0) return null
    at += length
    return data.subarray(at - length, at)
  }
  while (at < data.length) {
    const partition = number()
    const [key, value, headers] = [nullable(), nullable(), {}]
    for (let left = number(); left > 0; left--) headers[nullable().toString()] = nullable()
    yield { partition, key, value, headers }
  }
}

async function run () {
  const kafka = new Kafka({
    clientId: 'kafkajs',
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 300 }
  })
  const admin = kafka.admin()
  await admin.connect()
  const own = `${topic}-made-by-kafkajs`
  await admin.createTopics({ topics: [{ topic: own, numPartitions: 1, replicationFactor: 1 }] })
  await admin.deleteTopics({ topics: [own] })
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  let [count, bytes, messages] = [0, 0, []]
  const flush = async () => {
    if (messages.length > 0) await producer.send({ topic, messages, acks: -1 })
    messages = []
    bytes = 0
  }
  for (const record of records(fs.readFileSync(file))) {
    const size = record.value === null ? 0 : record.value.length
    if (bytes + size > 500000) await flush()
    messages.push(record)
    bytes += size
    count++
  }
  await flush()
  await producer.disconnect()
  await admin.fetchTopicOffsets(topic)
  await admin.describeCluster()
  await admin.disconnect()
  console.log(count)
}

run().then(() => process.exit(0), error => { console.error(error); process.exit(1) })
