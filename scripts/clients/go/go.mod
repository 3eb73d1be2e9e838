// A tour of the service with the client that oapi-codegen generates.
module example.com/tour

go 1.26
