// Answers that are kept while they are in use: several cards show the same table.

const TABLES = 64; // of at most 1 MB each

export class Store {
  constructor(source) {
    this.source = source;
    this.tables = new Map(); // promises, the most recently used last
    this.courses = new Map();
  }

  table(series, query) {
    return this.keep(this.tables, [series.run, series.kind, series.name, series.latest, query], () =>
      this.source.table(series, query));
  }

  course(series) {
    return this.keep(this.courses, [series.run, series.kind, series.name, series.latest], () =>
      this.source.course(series));
  }

  keep(answers, about, request) {
    const key = JSON.stringify(about);
    const answer = answers.get(key) ?? request();
    answers.delete(key);
    answers.set(key, answer);
    answer.catch(() => answers.delete(key)); // it is requested again at the next update
    for (const old of [...answers.keys()].slice(0, -TABLES)) answers.delete(old);
    return answer;
  }
}
