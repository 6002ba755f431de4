require("reflect-metadata");
const { DataSource } = require("typeorm");

exports.source = new DataSource({
    type: "postgres",
    host: process.env.PGHOST,
    port: Number(process.env.PGPORT),
    username: process.env.PGUSER,
    database: process.env.PGDATABASE,
    entities: ["out/entities.js"],
    migrations: ["out/migrations/*.js"],
});
