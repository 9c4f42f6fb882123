"""One module per data format, each giving rows; `superneurons.task.read` lists them."""
